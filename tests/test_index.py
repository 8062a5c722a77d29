import numpy as np
import pytest

from rag.index import FaissIndex


def unit(rows):
    matrix = np.asarray(rows, np.float32)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def numbers(*values):
    return np.array(values, np.int64)


def test_scores_are_cosines_best_first():
    index = FaissIndex(2)
    index.add(numbers(7, 9), unit([[1, 0], [1, 1]]))
    ((first, second),) = index.search(unit([[1, 0]]), k=2)
    assert first == (7, pytest.approx(1.0))
    assert second == (9, pytest.approx(2**-0.5))


def test_fewer_vectors_than_asked_for_give_fewer_hits_and_no_padding():
    index = FaissIndex(2)
    index.add(numbers(3), unit([[0, 1]]))
    assert [position for position, _ in index.search(unit([[1, 1]]), k=10)[0]] == [3]


def test_the_index_agrees_with_brute_force():
    rng = np.random.default_rng(0)
    vectors, queries = unit(rng.normal(size=(200, 8))), unit(rng.normal(size=(5, 8)))
    index = FaissIndex(8)
    index.add(np.arange(200, dtype=np.int64), vectors)
    for query, hits in zip(queries, index.search(queries, k=10), strict=True):
        assert [position for position, _ in hits] == np.argsort(-(vectors @ query))[:10].tolist()


def test_a_removed_vector_is_not_found():
    index = FaissIndex(2)
    index.add(numbers(1, 2), unit([[1, 0], [0, 1]]))
    index.remove(numbers(1, 99))
    assert sorted(index.positions()) == [2]
    assert [position for position, _ in index.search(unit([[1, 0]]), k=5)[0]] == [2]


def test_a_saved_index_answers_as_before(tmp_path):
    index = FaissIndex(2)
    index.add(numbers(5, 6), unit([[1, 0], [0, 1]]))
    index.save(tmp_path / "vectors")
    again = FaissIndex.load(tmp_path / "vectors", 2)
    assert again.search(unit([[1, 0.2]]), 2) == index.search(unit([[1, 0.2]]), 2)
    again.remove(numbers(5))
    assert len(again) == 1


def test_a_damaged_file_or_another_width_is_refused(tmp_path):
    (tmp_path / "bad").write_bytes(b"not an index at all")
    with pytest.raises(ValueError, match="not a readable"):
        FaissIndex.load(tmp_path / "bad", 2)
    FaissIndex(3).save(tmp_path / "three")
    with pytest.raises(ValueError, match="3 dimensions, not 2"):
        FaissIndex.load(tmp_path / "three", 2)


def test_vectors_of_another_width_are_refused():
    index = FaissIndex(2)
    with pytest.raises(ValueError, match="do not fit"):
        index.add(numbers(1), unit([[1, 0, 0]]))
    with pytest.raises(ValueError, match="do not fit"):
        index.search(unit([[1, 0, 0]]), 1)
