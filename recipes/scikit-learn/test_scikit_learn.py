"""scikit-learn on its target: models whose answers are known, and data of both byte orders."""

import io
import pickle
import unittest

import numpy as np
from sklearn.cluster import DBSCAN, KMeans
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import murmurhash3_32

X, Y = load_iris(return_X_y=True)


class Models(unittest.TestCase):
    """Fits of exact data, and Fisher's irises."""

    def test_exact_fits(self) -> None:
        x = np.array([[0.0, 1], [1, 0], [2, 3], [3, 1]])
        line = LinearRegression().fit(x, x @ [2.0, -1] + 3)
        assert np.allclose(line.coef_, [2, -1])
        assert np.isclose(line.intercept_, 3)
        sparse = Lasso(alpha=1e-6).fit(x, 2 * x[:, 0])
        assert np.allclose(sparse.coef_, [2, 0], atol=1e-4)

    def test_irises(self) -> None:
        models = (
            LogisticRegression(max_iter=500),
            SVC(),
            DecisionTreeClassifier(random_state=0),
            RandomForestClassifier(10, random_state=0),
            KNeighborsClassifier(5),
        )
        for model in models:
            score = model.fit(X, Y).score(X, Y)
            assert 0.96 < score <= 1, (model, score)

    def test_components(self) -> None:
        assert np.allclose(
            PCA(4).fit(X).explained_variance_ratio_,
            [0.92461872, 0.05306648, 0.01710261, 0.00521218],
        )

    def test_clusters(self) -> None:
        groups = KMeans(3, n_init=5, random_state=0).fit(X)
        assert np.isclose(groups.inertia_, 78.85144142614601, rtol=1e-3)
        spots = DBSCAN(eps=0.5).fit(np.repeat([[0.0, 0], [5, 5]], 6, axis=0))
        assert spots.labels_.tolist() == [0] * 6 + [1] * 6

    def test_boosting(self) -> None:
        x = np.linspace(0, 1, 400)[:, None]
        model = HistGradientBoostingRegressor(random_state=0).fit(x, x[:, 0] > 0.5)
        assert np.allclose(model.predict([[0.2], [0.8]]), [0, 1], atol=0.01)

    def test_area_under_the_curve(self) -> None:
        assert roc_auc_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) == 0.75


class Order(unittest.TestCase):
    """Bytes that must mean the same everywhere."""

    def test_data_of_both_orders(self) -> None:
        for order in "<>":
            given = X.astype(f"{order}f8")
            assert np.allclose(LinearRegression().fit(given, Y).score(given, Y), 0.9303939218549564)
            assert DecisionTreeClassifier(random_state=0).fit(given, Y).score(given, Y) == 1

    def test_hashes(self) -> None:
        """Known values of MurmurHash3: features of a text lie in the same columns everywhere."""
        assert murmurhash3_32("foo", 0) == -156908512
        assert murmurhash3_32(b"foo", 42, positive=True) == 2972666014
        columns = HashingVectorizer(n_features=1 << 10).transform(["the red fox"]).indices
        assert sorted(columns.tolist()) == [158, 259, 919]

    def test_hashes_of_whole_words(self) -> None:
        """Four bytes and more are read another way than three; the values are amd64's."""
        assert murmurhash3_32("abcd", 0) == 1139631978
        assert murmurhash3_32(b"abcdefgh", 0) == 1239272644
        assert murmurhash3_32(3, 0) == 847579505
        array = np.array([-2, 70000], np.int32)
        assert murmurhash3_32(array, 7).tolist() == [-1249887255, 1564744063]
        columns = HashingVectorizer(n_features=1 << 10).transform(["a longer elephant"]).indices
        assert sorted(columns.tolist()) == [279, 558]

    def test_pickle(self) -> None:
        file = io.BytesIO()
        pickle.dump(RandomForestClassifier(3, random_state=0).fit(X, Y), file)
        assert pickle.loads(file.getvalue()).score(X, Y) > 0.95  # noqa: S301


if __name__ == "__main__":
    unittest.main()
