"""True steps: Markov chains, their densities, divergences, and the forms of the bound."""

from sympy import Abs, Integer, Product, Sum, log, sqrt

from mini_ddpm.symbolic import KL, ChainTheory, E_q, Fact, Path, T, p, q, t, x

from .steps import Step, chains


def within(*conditions):
    """Chains under conditions, such as t >= 2."""

    def given():
        theory = ChainTheory()
        theory.assume(*conditions)
        return theory, ()

    return given


def using(*equations):
    """Chains, and facts of them that a step may use."""

    def given():
        theory = ChainTheory()
        return theory, [Fact(theory, *equation) for equation in equations]

    return given


def step(kind, before, after, reason, relation="=", given=chains):
    return Step(kind, before, after, reason, relation, given)


from_2, long = within(t >= 2), within(T >= 2)
whole, path = Path(0, T), Path(1, T)
evidence, prior, first = p(x[0]), p(x[T]), p(x[0], x[1])
q_path, p_path = q(path, x[0]), p(path, x[0])
forward, reverse = q(x[t], x[t - 1]), p(x[t - 1], x[t])
posterior = q(x[t - 1], x[t], x[0])
now, earlier, end = q(x[t], x[0]), q(x[t - 1], x[0]), q(x[T], x[0])
elbo = E_q(log(p(whole) / q_path))
L_T, L = KL(end, prior), KL(posterior, reverse)
bound = L_T + Sum(E_q(L), (t, 2, T)) - E_q(log(first))
log_prior = log(prior)
markov = using((log(p(whole)), log_prior + Sum(log(reverse), (t, 1, T))), (log(q_path), Sum(log(forward), (t, 1, T))))

STEPS: list[Step] = [
    step("factorisation", p(whole), prior * Product(reverse, (t, 1, T)), "p is a Markov chain"),
    step("factorisation", log(p(whole)), log_prior + Sum(log(reverse), (t, 1, T)), "the same in logarithms"),
    step("factorisation", q_path, Product(forward, (t, 1, T)), "q is a Markov chain"),
    step("factorisation", log(q_path), Sum(log(forward), (t, 1, T)), "the same in logarithms"),
    step("factorisation", p(whole), evidence * p_path, "the product rule"),
    step("factorisation", log(p_path), log(p(whole)) - log(evidence), "Bayes, for whole paths"),
    step("factorisation", q_path, end * Product(posterior, (t, 2, T)), "the same chain, from its end"),
    step(
        "factorisation",
        Sum(log(forward), (t, 1, T)),
        log(end) + Sum(log(posterior), (t, 2, T)),
        "both are the logarithm of q's path",
    ),
    step(
        "factorisation",
        log(p(whole) / q_path),
        log(prior / end) + Sum(log(reverse / posterior), (t, 2, T)) + log(first),
        "both chains, from their ends",
    ),
    step("factorisation", q(x[t], x[t - 1], x[0]), forward, "the Markov property", given=from_2),
    step("Bayes", posterior, forward * earlier / now, "Bayes, given x_0", given=from_2),
    step("Bayes", log(forward / posterior), log(now) - log(earlier), "Bayes in logarithms", given=from_2),
    step(
        "Bayes",
        log(forward / reverse),
        log(posterior / reverse) + log(now / earlier),
        "the forward step by the posterior",
        given=from_2,
    ),
    step(
        "Bayes",
        q(x[1], x[T], x[0]),
        q(x[T], x[1]) * q(x[1], x[0]) / end,
        "Bayes over many steps at once",
        given=long,
    ),
    step("Bayes", Sum(log(forward * earlier / now), (t, 2, T)), Sum(log(posterior), (t, 2, T)), "Bayes in each term"),
    step(
        "telescoping",
        Sum(log(now / earlier), (t, 2, T)),
        log(end) - log(q(x[1], x[0])),
        "only the ends stay; at T = 1 both are 0",
    ),
    step("telescoping", Product(now / earlier, (t, 2, T)), end / q(x[1], x[0]), "only the ends stay"),
    step(
        "telescoping",
        E_q(Sum(log(earlier) - log(now), (t, 2, T)) - log(q(x[1], x[0]))),
        -E_q(log(end)),
        "inside of a mean",
    ),
    step("sums", Sum(log(reverse), (t, 1, T)), log(first) + Sum(log(reverse), (t, 2, T)), "the first term out"),
    step(
        "sums",
        Sum(E_q(log(forward)), (t, 1, T)),
        Sum(E_q(log(forward)), (t, 1, T - 1)) + E_q(log(q(x[T], x[T - 1]))),
        "the last term out",
    ),
    step(
        "sums",
        Sum(E_q(log(reverse)), (t, 1, T)),
        E_q(log(first)) + Sum(E_q(log(reverse)), (t, 2, T - 1)) + E_q(log(p(x[T - 1], x[T]))),
        "the first and the last term are two, if T >= 2",
        given=long,
    ),
    step(
        "sums",
        Sum(log(reverse), (t, 2, T)),
        Sum(log(p(x[t], x[t + 1])), (t, 1, T - 1)),
        "the index shifted by one",
    ),
    step("means", E_q(log(evidence)), log(evidence), "x_0 is given, so its density is a constant"),
    step("means", E_q(2 * log_prior - 3 * log(first)), 2 * E_q(log_prior) - 3 * E_q(log(first)), "a mean is linear"),
    step("means", E_q(Sum(log(forward), (t, 1, T))), Sum(E_q(log(forward)), (t, 1, T)), "the mean of a sum"),
    step("means", E_q(E_q(log_prior) + log(first)), E_q(log_prior) + E_q(log(first)), "a mean is a constant"),
    step("means", E_q(log_prior * log(evidence)), log(evidence) * E_q(log_prior), "a constant leaves the mean"),
    step(
        "means",
        E_q((log_prior - E_q(log_prior)) ** 2),
        E_q(log_prior**2) - E_q(log_prior) ** 2,
        "the variance of a log-likelihood",
    ),
    step(
        "means",
        E_q(log(prior / end) ** 2),
        E_q(log_prior**2) - 2 * E_q(log_prior * log(end)) + E_q(log(end) ** 2),
        "a square of a difference of logarithms",
    ),
    step("means", E_q(p_path / q_path), Integer(1), "a density sums to 1"),
    step("means", E_q(p(whole) / q_path), evidence, "the joint density, summed over the paths"),
    step("means", E_q(prior / end), Integer(1), "the prior sums to 1"),
    step("means", E_q(reverse / posterior), Integer(1), "summed over x_(t-1) first", given=from_2),
    step("means", log(E_q(p(whole) / q_path)), log(evidence), "the evidence by importance sampling"),
    step(
        "means",
        E_q((prior / end - 1) ** 2),
        E_q((prior / end) ** 2) - 1,
        "the chi-square divergence: the ratio's mean is 1",
    ),
    step("divergences", KL(q_path, p_path), E_q(log(q_path / p_path)), "the definition"),
    step("divergences", L_T, E_q(log(end)) - E_q(log_prior), "the definition, two means"),
    step(
        "divergences", E_q(L), E_q(log(posterior / reverse)), "the mean over x_(t-1), then over the rest", given=from_2
    ),
    step(
        "divergences",
        E_q(log(posterior)),
        E_q(log(reverse)) + E_q(L),
        "the definition, solved for its first half",
        given=from_2,
    ),
    step(
        "divergences",
        E_q(KL(forward, now)),
        E_q(log(forward)) - E_q(log(now)),
        "what x_(t-1) tells of x_t; nothing at t = 1",
    ),
    step(
        "divergences",
        E_q(KL(forward, now)),
        E_q(KL(posterior, earlier)),
        "information is mutual",
        given=from_2,
    ),
    step(
        "divergences",
        KL(q_path, p_path),
        L_T + Sum(E_q(L), (t, 2, T)) + log(evidence) - E_q(log(first)),
        "the chain rule of the divergence, from the end",
    ),
    step(
        "divergences",
        Sum(E_q(KL(forward, now)), (t, 2, T)),
        E_q(log(q_path)) - Sum(E_q(log(now)), (t, 1, T)),
        "total correlation: the sum of informations",
    ),
    step("ELBO", elbo, log(evidence) - KL(q_path, p_path), "the gap is a divergence"),
    step("ELBO", elbo, E_q(log_prior) + Sum(E_q(log(reverse / forward)), (t, 1, T)), "both chains, term by term"),
    step("ELBO", elbo, E_q(log(p(whole))) - E_q(log(q_path)), "energy and entropy"),
    step("ELBO", -elbo, bound, "prior, steps, reconstruction"),
    step(
        "ELBO",
        -elbo,
        E_q(KL(q(x[T], x[T - 1]), prior)) - E_q(log(first)) + Sum(E_q(log(forward / p(x[t], x[t + 1]))), (t, 1, T - 1)),
        "every state is compared twice: the consistency form",
    ),
    step(
        "ELBO",
        E_q(-log_prior - Sum(log(reverse / forward), (t, 2, T)) - log(first / q(x[1], x[0]))),
        -elbo,
        "the first step apart",
    ),
    step(
        "ELBO",
        bound + elbo + log(evidence),
        log(evidence),
        "the bound is minus the ELBO",
    ),
    step("inequality: chains", log(evidence), elbo, "a divergence is never negative", ">="),
    step("inequality: chains", bound, -log(evidence), "the bound is one of the evidence", ">="),
    step("inequality: chains", L_T, Integer(0), "a divergence is never negative", ">="),
    step("inequality: chains", Sum(E_q(L), (t, 2, T)), Integer(0), "a sum of divergences", ">="),
    step("inequality: chains", elbo, log(E_q(p(whole) / q_path)), "Jensen: the logarithm is concave", "<="),
    step("inequality: chains", L_T, log(E_q(end / prior)), "Jensen, for the end", "<="),
    step("inequality: chains", L_T, E_q(end / prior) - 1, "log r <= r - 1", "<="),
    step("inequality: chains", E_q(sqrt(prior / end)), Integer(1), "Bhattacharyya's coefficient", "<="),
    step("inequality: chains", E_q((prior / end) ** 2), Integer(1), "the mean square of a ratio with mean 1", ">="),
    step("inequality: chains", L_T, E_q(Abs(1 - prior / end)) ** 2 / 2, "Pinsker's inequality", ">="),
    step("inequality: chains", L_T, -2 * log(E_q(sqrt(prior / end))), "Jensen, for the root of the ratio", ">="),
    step(
        "inequality: chains",
        E_q(KL(q(x[T], x[1]), end)),
        E_q(KL(q(x[T], x[T - 1]), end)),
        "data processing: x_T knows less of x_1 than of x_(T-1)",
        "<=",
        long,
    ),
    step(
        "with facts",
        -elbo,
        E_q(-log_prior - Sum(log(reverse / forward), (t, 1, T))),
        "both Markov properties",
        given=markov,
    ),
    step(
        "with facts",
        E_q(log(p(whole)) + log(p(x[T])) - log(q_path)),
        2 * E_q(log_prior) + Sum(E_q(log(reverse) - log(forward)), (t, 1, T)),
        "both Markov properties; the mean is linear",
        given=markov,
    ),
    step(
        "with facts",
        E_q(log(p(whole) / p_path)),
        log(evidence),
        "the product rule; the evidence is a constant",
        given=using((log(p(whole)), log(evidence) + log(p_path))),
    ),
    step(
        "with facts",
        E_q(log(end) + Sum(log(forward), (t, 2, T))),
        E_q(log_prior) + L_T + Sum(E_q(log(forward)), (t, 2, T)),
        "the divergence at the end, solved for its first half",
        given=using((E_q(log(end)), E_q(log_prior) + L_T)),
    ),
]
