import { stringify } from 'yaml';

/**
 * YAML that PyYAML reads as meant: it follows YAML 1.1, in which a bare `on` or `1_0` is no text, so every text is quoted,
 * and it refuses raw control characters.
 */
export function toYaml(value: object): string {
  const text = stringify(value, { defaultKeyType: 'PLAIN', defaultStringType: 'QUOTE_DOUBLE', lineWidth: 0 });
  return text.replace(
    /[\u007f-\u009f\u2028\u2029\ufffe\uffff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
