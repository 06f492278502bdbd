"""What to expect of a program that was never trained: a Gaussian process over traits.

Two seeds say little about one candidate; its neighbours say the rest. The process is fitted to
how well all candidates so far stood, shares what they teach among similar programs, and gives
for new ones a mean and how sure it is of it. Where nothing is known the mean follows the sentence:
programs that pay for what it asks stand better, as far as what was seen bears it out. Kernel: a
part that adds up over traits and a part for programs that are alike as a whole (Rasmussen and
Williams, "Gaussian Processes for Machine Learning", 2006, chapters 2 and 5); its settings maximize
the marginal likelihood over a grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from rewardgen.design.evolve.traits import MEANT

Floats = NDArray[np.float64]

# settings that are tried: similarity's length, share of the part that adds up, share of noise
LENGTHS = (0.7, 1.0, 1.5)
ADDITIVE = (0.2, 0.6)
NOISE = (0.1, 0.25, 0.5, 0.8)
JITTER = 1e-8
# by how much a standing rises, before anything is seen, where a program pays for what the sentence
# asks for most
TRUST = (1.0, 0.5, 0.0)
# the logarithm of how much less likely it is, beforehand, that it says nothing
SAYS_NOTHING = 2.0


@dataclass(frozen=True)
class Kernel:
    """How alike two programs are.

    Attributes:
        length: distance in traits at which the likeness as a whole is exp(-1/2).
        additive: share of the part that adds up over traits.
        noise: variance of an observation that is chance, of a total of 1.
        trust: how much better a program stands, beforehand, that pays for what is asked.
    """

    length: float
    additive: float
    noise: float
    trust: float


class Model:
    """Expected standing of programs.

    Args:
        programs: traits of the candidates so far.
        standing: how each stood, about 1 in size.
    """

    def __init__(self, programs: Sequence[dict[str, float]], standing: Sequence[float]) -> None:
        self._names = sorted({name for program in programs for name in program})
        self._inputs = self._matrix(programs)
        self._typical = max(1.0, float((self._inputs**2).sum(1).mean()))
        self._standing = np.asarray(standing, dtype=np.float64)
        self._asked = _meant(programs)
        self.kernel = self._most_likely()
        inner, whole = self._parts(self.kernel.length, self._inputs, self._inputs)
        alike = _mixed(self.kernel.additive, inner, whole)
        self._factor = cho_factor(_noisy(alike, self.kernel.noise), lower=True)

    def sample(self, programs: Sequence[dict[str, float]], draws: Floats) -> Floats:
        """Return joint draws of the expected standing of programs.

        Args:
            programs: their traits.
            draws: independent standard normal numbers, (k, programs).

        Returns:
            (k, programs).
        """
        inputs, across, solved = self._against(programs)
        covariance = self._likeness(self.kernel, inputs, inputs) - across.T @ solved
        mean = self._expected(programs, solved)
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        return mean + draws @ root.T

    def mean(self, programs: Sequence[dict[str, float]]) -> Floats:
        """Return the expected standing of programs, (programs,)."""
        _, _, solved = self._against(programs)
        return self._expected(programs, solved)

    def _expected(self, programs: Sequence[dict[str, float]], solved: Floats) -> Floats:
        rest = self._standing - self.kernel.trust * self._asked
        expected = rest.mean() + self.kernel.trust * _meant(programs)
        return expected + solved.T @ (rest - rest.mean())

    def _against(self, programs: Sequence[dict[str, float]]) -> tuple[Floats, Floats, Floats]:
        """Return inputs of programs, their likeness to the candidates so far, and its solution."""
        inputs = self._matrix(programs)
        # traits that nobody had yet lead away from everybody alike
        names = frozenset(self._names)
        beyond = [
            sum(value**2 for name, value in program.items() if name not in names)
            for program in programs
        ]
        inputs = np.hstack([inputs, np.diag(np.sqrt(beyond))])
        known = np.hstack([self._inputs, np.zeros((len(self._inputs), len(programs)))])
        across = self._likeness(self.kernel, known, inputs)
        return inputs, across, cho_solve(self._factor, across)

    def _likeness(self, kernel: Kernel, left: Floats, right: Floats) -> Floats:
        """Return the covariances of programs (n, traits) and (m, traits), (n, m)."""
        inner, whole = self._parts(kernel.length, left, right)
        return (1.0 - kernel.noise) * _mixed(kernel.additive, inner, whole)

    def _parts(self, length: float, left: Floats, right: Floats) -> tuple[Floats, Floats]:
        """Return the part that adds up over traits and the one for programs as a whole, (n, m).

        Of thousands of candidates these are the largest arrays there are; made in place, they
        take half of the time and memory.
        """
        inner = self._shortened(left) @ self._shortened(right).T
        whole = (left**2).sum(1)[:, None] + (right**2).sum(1)[None, :]
        whole -= 2.0 * inner
        np.maximum(whole, 0.0, out=whole)
        whole *= -0.5
        whole /= length**2
        return inner, np.exp(whole, out=whole)

    def _shortened(self, inputs: Floats) -> Floats:
        """Return the inputs in units of a typical program, longer ones shortened to its length.

        A program of many terms would be the least certain of all, hence drawn most often.
        """
        lengths = np.sqrt((inputs**2).sum(1, keepdims=True))
        return inputs / np.maximum(lengths, self._typical**0.5)

    def _most_likely(self) -> Kernel:
        """Return the settings under which what was seen is most likely."""
        # what is left over is linear in the trust, so one decomposition serves all of them
        known = np.stack([self._standing, self._asked], axis=1)
        known -= known.mean(0)
        found: list[tuple[float, Kernel]] = []
        for kernel, covariance in self._settings():
            factor = cho_factor(covariance, lower=True)
            logarithm = 2.0 * float(np.log(np.diag(factor[0])).sum())
            products = known.T @ cho_solve(factor, known)
            for trust in TRUST:
                rest = np.asarray([1.0, -trust])
                likely = -0.5 * (float(rest @ products @ rest) + logarithm)
                prior = -SAYS_NOTHING * (1.0 - trust)
                found.append((likely + prior, replace(kernel, trust=trust)))
        return max(found, key=lambda pair: pair[0])[1]

    def _settings(self) -> Iterator[tuple[Kernel, Floats]]:
        """Yield all settings, without trust, with the covariance of what was seen under each."""
        for length in LENGTHS:
            inner, whole = self._parts(length, self._inputs, self._inputs)
            for additive in ADDITIVE:
                alike = _mixed(additive, inner, whole)
                for noise in NOISE:
                    yield Kernel(length, additive, noise, trust=0.0), _noisy(alike, noise)

    def _matrix(self, programs: Sequence[dict[str, float]]) -> Floats:
        rows = [[program.get(name, 0.0) for name in self._names] for program in programs]
        return np.asarray(rows, dtype=np.float64).reshape(len(programs), len(self._names))


def _mixed(additive: float, inner: Floats, whole: Floats) -> Floats:
    """Return the covariances of programs without noise, of a share of each part."""
    mixed = additive * inner
    mixed += (1.0 - additive) * whole
    return mixed


def _noisy(alike: Floats, noise: float) -> Floats:
    """Return the covariance of observations, of a total variance of 1."""
    matrix = (1.0 - noise) * alike
    matrix[np.diag_indices_from(matrix)] += noise + JITTER
    return matrix


def _meant(programs: Sequence[dict[str, float]]) -> Floats:
    """Return how much of what the sentence asks for most programs pay for, (programs,)."""
    return np.asarray([program.get(MEANT, 0.0) for program in programs], dtype=np.float64)
