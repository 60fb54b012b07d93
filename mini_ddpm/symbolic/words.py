"""Words of matrices: products of letters, where a letter is a matrix, its inverse, its transpose, or both.

A symmetric letter is its own transpose, an orthogonal one is inverted by it, diagonal letters commute.
"""

from typing import NamedTuple

from sympy import Expr, Inverse, MatMul, MatrixExpr, MatrixSymbol, Transpose

from mini_ddpm.symbolic.conditions import Conditions


class Letter(NamedTuple):
    """A matrix by its label, perhaps inverted and transposed."""

    label: str
    inverted: bool = False
    turned: bool = False

    @property
    def opposite(self) -> "Letter":
        """What it cancels with."""
        return self._replace(inverted=not self.inverted)


Word = tuple[Letter, ...]


class Letters:
    """The letters met so far: what each stands for, and what is known of it."""

    def __init__(self, conditions: Conditions) -> None:
        self.conditions = conditions
        self.meaning: dict[str, MatrixExpr] = {}
        self.known: dict[str, frozenset[str]] = {}
        self.sums: dict[tuple, str] = {}  # of matrices, that are inverted or have a determinant
        self.traces: dict[Expr, Word] = {}  # generator -> the word that it is the trace of
        self.centred: list[MatrixSymbol] = []  # what stands for x - E[x] in means

    def of(self, symbol: MatrixSymbol) -> Letter:
        """The letter of a matrix; another shape under the same name is another letter."""
        label = f"{symbol.name} {symbol.shape}"
        self.meaning[label], self.known[label] = symbol, self.conditions.kinds(symbol)
        return self.tidy(Letter(label))

    def tidy(self, letter: Letter) -> Letter:
        """The same letter in one form."""
        known = self.known[letter.label]
        if "orthogonal" in known:
            return Letter(letter.label, letter.inverted != letter.turned)
        return letter._replace(turned=False) if "symmetric" in known else letter

    def shape(self, letter: Letter) -> tuple[Expr, Expr]:
        """Rows and columns; of an inverse they are equal."""
        rows, columns = self.meaning[letter.label].shape
        return (columns, rows) if letter.turned else (rows, columns)

    def is_square(self, letter: Letter) -> bool:
        rows, columns = self.shape(letter)
        return bool(rows == columns)

    def reduced(self, word: Word) -> Word:
        """A next to its inverse cancels; diagonal letters side by side are in order."""
        found: list[Letter] = []
        for letter in word:
            start = len(found) - 1
            while self._is_diagonal(letter) and start > 0 and self._is_diagonal(found[start]):
                start -= 1
            start += self._is_diagonal(letter) and start >= 0 and not self._is_diagonal(found[start])
            run = found[max(start, 0) :]
            if letter.opposite in run:
                run.remove(letter.opposite)
            else:
                run = sorted([*run, letter]) if self._is_diagonal(letter) else [*run, letter]
            found[max(start, 0) :] = run
        return tuple(found)

    def _is_diagonal(self, letter: Letter) -> bool:
        return "diagonal" in self.known[letter.label]

    def transposed(self, word: Word) -> Word:
        """The word of the transpose."""
        return self.reduced(tuple(self.tidy(one._replace(turned=not one.turned)) for one in reversed(word)))

    def inverse(self, word: Word) -> Word:
        """The word of the inverse, of square letters."""
        return self.reduced(tuple(one.opposite for one in reversed(word)))

    def rotations(self, word: Word) -> list[Word]:
        """All that have the same trace."""
        return [self.reduced(word[k:] + word[:k]) for k in range(len(word))]

    def is_definite(self, word: Word) -> bool:
        """Whether it is a positive definite matrix, or its inverse."""
        return len(word) == 1 and "positive_definite" in self.known[word[0].label]

    def is_semidefinite(self, word: Word) -> bool:
        """Whether it is V^T V, or V^T S V with S positive definite."""
        half = len(word) // 2
        middle = word[half : len(word) - half]
        alike = self.transposed(word[:half]) == word[len(word) - half :]
        return alike and (not middle or self.is_definite(middle))

    def expression(self, word: Word) -> MatrixExpr:
        """What a word stands for."""
        return MatMul(*map(self._written, word)) if len(word) > 1 else self._written(word[0])

    def _written(self, letter: Letter) -> MatrixExpr:
        found = self.meaning[letter.label]
        found = Transpose(found) if letter.turned else found
        return Inverse(found) if letter.inverted else found
