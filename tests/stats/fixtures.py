"""Writes tests/stats/fixtures/*.json: what SciPy 1.17.1, statsmodels 0.15.0 and scikit-posthocs 0.17.1 say, and tail probabilities by mpmath.

    PYTHON tests/stats/fixtures.py [FOLDER]

needs those of tests/peers/requirements.txt. DeLong's variances are the definition's double sums in fractions.
"""

import json
import math
import os
import sys
import warnings
from fractions import Fraction

import mpmath as mp
import numpy as np
import pandas as pd
import scikit_posthocs
import scipy
from scipy import stats
from scipy.stats._resampling import _bca_interval
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

warnings.simplefilter("ignore")
FOLDER = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")
mp.mp.dps = 40
LEAST = mp.mpf("1e-305")


def write(name, content):
    os.makedirs(FOLDER, exist_ok=True)
    with open(os.path.join(FOLDER, name), "w") as file:
        json.dump(content, file, separators=(",", ":"), allow_nan=False)
        file.write("\n")


def beta_tail(a, b, x, y):
    """I_x(a, b) by the hypergeometric series that converges, never as a difference that cancels."""
    a, b = mp.mpf(a), mp.mpf(b)
    if x <= (a + 1) / (a + b + 2):
        return x**a * y**b / (a * mp.beta(a, b)) * mp.hyp2f1(a + b, 1, a + 1, x)
    return 1 - y**b * x**a / (b * mp.beta(a, b)) * mp.hyp2f1(a + b, 1, b + 1, y)


def t_sf(t, df):
    t, df = mp.mpf(t), mp.mpf(df)
    return beta_tail(df / 2, mp.mpf(1) / 2, df / (df + t * t), t * t / (df + t * t)) / 2


def chi2_sf(x, df):
    return mp.gammainc(mp.mpf(df) / 2, mp.mpf(x) / 2, regularized=True)


def f_sf(x, dfn, dfd):
    ratio = mp.mpf(dfn) * mp.mpf(x) / dfd
    return beta_tail(mp.mpf(dfd) / 2, mp.mpf(dfn) / 2, 1 / (1 + ratio), ratio / (1 + ratio))


def binom_sf(k, n, p):
    p = mp.mpf(p)
    return mp.fsum(mp.binomial(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1, n + 1))


def norm_sf(z):
    return mp.erfc(mp.mpf(z) / mp.sqrt(2)) / 2


def range_sf(q, k):
    def integrand(z):
        above = norm_sf(z)
        return mp.npdf(z) * above ** (k - 1) * -mp.expm1((k - 1) * mp.log1p(-norm_sf(z + q) / above))

    centre = -mp.mpf(q) / 2
    return k * mp.quad(integrand, [centre + i / mp.mpf(2) for i in range(-28, 29)], maxdegree=5)


def table(function, arguments):
    rows = []
    for args in arguments:
        value = function(*args)
        if value > LEAST:
            rows.append([*args, float(value)])
    return rows


def distributions():
    degrees = [1, 2, 3, 4.5, 9, 30, 99, 999, 1e5]
    quantiles = [1e-10, 0.1, 1, 2, 2.5, 5, 10, 37, 1e3, 1e10, 1e50, 1e120, 1e290]
    t = [(q, df) for df in degrees for q in quantiles]
    chi2 = [(df * r, df) for df in [1, 2, 3, 5, 20, 99, 1000, 1e5] for r in [1e-5, 0.5, 0.99, 1, 1.1, 2, 10, 100, 680]]
    f = [
        (x, dfn, dfd)
        for dfn, dfd in [(1, 1), (1, 9), (3, 20), (20, 3), (5, 500), (500, 5), (1000, 1000)]
        for x in [1e-3, 0.5, 1, 1.1, 2, 5, 30, 1e3, 1e8]
    ]
    binom = [
        (int(r * n), n, p) for n in [1, 10, 24, 100, 1000] for r in [0, 0.1, 0.3, 0.5, 0.6, 0.9, 0.98] for p in [0.5, 0.1, 0.01]
    ]
    ranges = [(q, k) for k in [2, 3, 5, 10, 20, 100] for q in [0.01, 0.5, 2, 3.3, 5, 10, 20, 40, 52]]
    alphas = [(alpha, k) for k in [2, 3, 5, 10, 20] for alpha in [0.001, 0.01, 0.05, 0.1, 0.5]]
    return {
        "tSf": table(t_sf, t),
        "chi2Sf": table(chi2_sf, chi2),
        "fSf": table(f_sf, f),
        "binomSf": table(binom_sf, binom),
        "normSf": table(norm_sf, [(z,) for z in [-3, -0.5, 0, 0.1, 1, 1.9, 3, 8, 20, 37]]),
        "normPpf": [[p, float(scipy.special.ndtri(p))] for p in [1e-300, 1e-50, 1e-5, 0.025, 0.3, 0.7, 0.975, 0.999999]],
        "studentizedRangeSf": table(range_sf, ranges),
        "studentizedRangeIsf": [[a, k, float(stats.studentized_range.isf(a, k, np.inf))] for a, k in alphas],
    }


def paired():
    cases = []
    rng = np.random.default_rng(7)
    for n in [2, 3, 5, 9, 10, 13, 14, 25, 50, 51, 100]:
        for name, digits, shift in [("plain", 12, 0.3), ("tied", 2, 0), ("apart", 12, 4)]:
            first = (0.8 + 0.02 * rng.normal(size=n)).round(digits)
            second = (first - 0.02 * (shift + rng.normal(size=n))).round(digits)
            if name == "tied" and n > 3:
                second[1] = first[1]
            d = first - second
            if np.all(d == d[0]):
                continue
            t = stats.ttest_rel(first, second)
            ratio = 1 / 9
            corrected = d.mean() / math.sqrt((1 / n + ratio) * d.var(ddof=1))
            wilcoxon = stats.wilcoxon(first, second)
            d_z = d.mean() / d.std(ddof=1)
            m = n - 1
            cases.append(
                {
                    "name": f"{n} folds, {name}",
                    "first": first.tolist(),
                    "second": second.tolist(),
                    "ttest_rel": [t.statistic, t.pvalue],
                    "nadeau_bengio": [corrected, 2 * stats.t.sf(abs(corrected), n - 1)],
                    "wilcoxon": [wilcoxon.statistic, wilcoxon.pvalue],
                    "cohens_d": d_z,
                    "hedges_g": float(d_z * mp.gamma(m / 2) / (mp.sqrt(mp.mpf(m) / 2) * mp.gamma((m - 1) / mp.mpf(2))))
                    if m > 1
                    else None,
                    "cliffs_delta": np.sign(first[:, None] - second[None, :]).mean(),
                }
            )
    return cases


def several():
    cases = []
    rng = np.random.default_rng(8)
    for models, folds, digits in [(3, 5, 9), (3, 10, 2), (4, 10, 1), (5, 30, 9), (10, 20, 2), (6, 100, 3)]:
        scores = (0.8 + 0.02 * np.arange(models)[:, None] + 0.05 * rng.normal(size=(models, folds))).round(digits)
        chi2 = stats.friedmanchisquare(*scores)
        f = (folds - 1) * chi2.statistic / (folds * (models - 1) - chi2.statistic)
        pairs = [(i, j) for i in range(models) for j in range(i + 1, models)]
        t = [stats.ttest_rel(scores[i], scores[j]).pvalue for i, j in pairs]
        ranks = stats.rankdata(-scores, axis=0).mean(axis=1)
        z = [(ranks[0] - ranks[j]) / math.sqrt(models * (models + 1) / (6 * folds)) for j in range(1, models)]
        p = [2 * stats.norm.sf(abs(value)) for value in z]
        cases.append(
            {
                "name": f"{models} models, {folds} folds, {digits} digits",
                "scores": scores.tolist(),
                "friedman": [chi2.statistic, chi2.pvalue],
                "iman_davenport": [f, stats.f.sf(f, models - 1, (models - 1) * (folds - 1))],
                "ranks": ranks.tolist(),
                "nemenyi": scikit_posthocs.posthoc_nemenyi_friedman(pd.DataFrame(scores.T)).values.tolist(),
                "pairs": pairs,
                "holm_t": multipletests(t, method="holm")[1].tolist(),
                "rank_z": z,
                "holm_z": multipletests(p, method="holm")[1].tolist(),
            }
        )
    return cases


def tables():
    rows = []
    for b, c in [(0, 0), (1, 0), (3, 3), (5, 1), (0, 24), (12, 12), (20, 4), (25, 0), (10, 15), (13, 12), (30, 10), (400, 100), (3000, 5)]:
        result = mcnemar([[7, b], [c, 9]], exact=b + c < 25, correction=True)
        rows.append([b, c, float(result.statistic), float(result.pvalue)])
    return rows


def placement(own, others, sign):
    below = sum(sign * (own - other) > 0 for other in others)
    return (Fraction(below) + Fraction(sum(own == other for other in others), 2)) / len(others)


def covariance(x, y):
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / (len(x) - 1)


def delong():
    cases = []
    rng = np.random.default_rng(9)
    for rows, levels, signal in [(8, 3, 0.5), (40, 1000, 1), (60, 5, 1), (200, 50, 2), (150, 1000, 6)]:
        labels = rng.integers(2, size=rows)
        labels[:4] = [0, 1, 0, 1]
        common = rng.normal(size=rows)
        scores = [
            np.round((signal * labels * factor + common + rng.normal(size=rows)) * levels / 10).astype(int)
            for factor in (1, 0.6)
        ]
        positive = [[placement(s, score[labels == 0], 1) for s in score[labels == 1]] for score in scores]
        negative = [[placement(s, score[labels == 1], -1) for s in score[labels == 0]] for score in scores]
        m, n = len(positive[0]), len(negative[0])
        aucs = [sum(p) / m for p in positive]
        cov = [[covariance(positive[r], positive[s]) / m + covariance(negative[r], negative[s]) / n for s in (0, 1)] for r in (0, 1)]
        variance = cov[0][0] + cov[1][1] - 2 * cov[0][1]
        error = mp.sqrt(mp.mpf(variance.numerator) / variance.denominator)
        difference = aucs[0] - aucs[1]
        z = mp.mpf(difference.numerator) / difference.denominator / error
        cases.append(
            {
                "name": f"{rows} rows, {levels} levels",
                "labels": labels.tolist(),
                "scores": [s.tolist() for s in scores],
                "aucs": [float(a) for a in aucs],
                "errors": [math.sqrt(cov[0][0]), math.sqrt(cov[1][1])],
                "difference": [float(difference), float(error), float(z), float(2 * norm_sf(abs(z)))],
                "reach99": float(mp.mpf(scipy.special.ndtri(0.995)) * error),
            }
        )
    return cases


def bootstrap():
    cases = []
    rng = np.random.default_rng(10)
    for rows, resamples, level, digits in [(12, 200, 0.95, 6), (30, 151, 0.9, 1), (50, 300, 0.99, 6)]:
        data = np.round(rng.exponential(size=rows), 3)
        values = np.round(np.array([rng.choice(data, rows).mean() for _ in range(resamples)]), digits)
        # bootstrap's own estimate, so that values that equal it are among the rounded ones
        estimate = float(np.round(data.mean(), digits))
        shifted = data - data.mean() + estimate
        alpha = (1 - level) / 2
        low, high, _ = _bca_interval((shifted,), lambda x, axis: np.round(np.mean(x, axis=axis), 12), -1, alpha, values, None, np)
        jackknife = [float(np.round(np.delete(shifted, i).mean(), 12)) for i in range(rows)]
        cases.append(
            {
                "name": f"{rows} rows, {resamples} resamples, {level}",
                "level": level,
                "estimate": float(np.round(shifted.mean(), 12)),
                "values": values.tolist(),
                "jackknife": jackknife,
                "percentile": np.percentile(values, [100 * alpha, 100 * (1 - alpha)]).tolist(),
                "bca": [float(np.percentile(values, 100 * low)), float(np.percentile(values, 100 * high))],
                "standard_error": float(values.std(ddof=1)),
            }
        )
    return cases


write("distributions.json", distributions())
write("paired.json", paired())
write("several.json", several())
write("mcnemar.json", tables())
write("delong.json", delong())
write("bootstrap.json", bootstrap())
