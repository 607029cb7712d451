import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runExperiment } from '../../src/protocol/run.ts';

const CONFIG = fileURLToPath(new URL('../../examples/adult/experiment.yaml', import.meta.url));
const CHROMIUM = process.env.LOCKSTEP_CHROMIUM ?? '/usr/bin/chromium';
/** A folder for screenshots, to be looked at; none are taken without it. */
const SCREENSHOTS = process.env.LOCKSTEP_SCREENSHOTS;

/** What runs in the page; Node has no types of the DOM. */
const OVERFLOW = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
const FOCUSED = `document.activeElement.matches(':focus-visible') ? document.activeElement.getAttribute('href') : null`;
const SMALLEST = `Math.min(...[...document.querySelectorAll('figure text')].map((text) => text.getBoundingClientRect().height).filter((height) => height > 0))`;
const FIRST_TRIAL = `document.querySelector('table[data-sortable] tbody th').textContent`;

describe.skipIf(!existsSync(CHROMIUM))('the page of a run in a browser', () => {
  let folder: string;
  let file: string;
  let browser: Browser;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lockstep-report-'));
    const overrides = ['optimization.n_trials=6'];
    await runExperiment({ configPath: CONFIG, out: join(folder, 'out'), overrides });
    file = join(folder, 'out', 'reports', 'report.html');
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  for (const width of [1280, 390]) {
    for (const colorScheme of ['light', 'dark'] as const) {
      it(`loads nothing, says nothing, fits ${width} pixels in ${colorScheme}, and has readable charts`, async () => {
        const page = await browser.newPage({ viewport: { width, height: 1000 }, colorScheme });
        const said: string[] = [];
        page.on('console', (message) => said.push(message.text()));
        page.on('pageerror', (error) => said.push(error.message));
        page.on('request', (request) => {
          if (!/^(file|data):/.test(request.url())) said.push(request.url());
        });
        await page.goto(pathToFileURL(file).href);
        expect(await page.evaluate(OVERFLOW)).toBeLessThanOrEqual(0);
        expect(await page.evaluate(SMALLEST)).toBeGreaterThanOrEqual(8);
        expect(said).toEqual([]);
        if (SCREENSHOTS !== undefined)
          await page.screenshot({ path: join(SCREENSHOTS, `report-${width}-${colorScheme}.png`) });
        await page.close();
      });
    }
  }

  it('leads the keyboard to the content and to every section, and sorts trials by it', async () => {
    const page = await browser.newPage();
    await page.goto(pathToFileURL(file).href);
    const reached: unknown[] = [];
    const links = (await page.$$('a')).length;
    for (let i = 0; i < links; i++) {
      await page.keyboard.press('Tab');
      reached.push(await page.evaluate(FOCUSED));
    }
    expect(reached[0]).toBe('#content');
    expect(new Set(reached).size).toBe(links);
    expect(reached).not.toContain(null);
    await page.focus('table[data-sortable] th button');
    await page.keyboard.press('Enter');
    expect(await page.evaluate(FIRST_TRIAL)).toBe('0');
    await page.close();
  });

  it('is small, the same in the evidence package, and whole without JavaScript', async () => {
    expect((await stat(file)).size).toBeLessThan(3_000_000);
    const evidence = join(folder, 'out', 'evidence', 'protocol-11-training', 'reports', 'report.html');
    expect(await readFile(evidence, 'utf8')).toBe(await readFile(file, 'utf8'));
    const page = await browser.newPage({ javaScriptEnabled: false });
    await page.goto(pathToFileURL(file).href);
    expect(await page.locator('table[data-sortable] tbody tr').count()).toBeGreaterThan(0);
    await page.close();
  });
});
