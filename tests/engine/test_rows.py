"""Views and copies of some rows of a Dataset, and their memory layout."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from sklearn_nn._engine.rows import batches, copy_of_rows, lay_out, view_of_rows
from sklearn_nn._engine.types import Dataset


def numbered_rows(order="C"):
    """Return a read-only X (6, 2) whose rows all differ."""
    X = np.array(np.arange(12.0).reshape(6, 2), order=order)
    X.flags.writeable = False
    return X


def test_lay_out_does_not_change_data_of_several_batches():
    data = Dataset(numbered_rows("F"), np.zeros(3), None, np.array([1, 3, 5]))
    assert lay_out(data, 2) is data


@pytest.mark.parametrize("batch_size", [6, 500])
def test_lay_out_does_not_copy_all_rows_in_c_order(batch_size):
    data = Dataset(numbered_rows(), np.zeros(6))
    assert np.shares_memory(lay_out(data, batch_size).X, data.X)


@pytest.mark.parametrize("order", ["C", "F"])
def test_lay_out_gathers_the_rows_of_one_batch(order):
    data = Dataset(numbered_rows(order), np.zeros(3), None, np.array([5, 1, 3]))
    laid_out = lay_out(data, 3)
    assert laid_out.X.tolist() == [[10, 11], [2, 3], [6, 7]]
    assert laid_out.X.flags.c_contiguous
    assert laid_out.rows is None


def test_lay_out_turns_fortran_order_into_c_order():
    data = Dataset(numbered_rows("F"), np.zeros(6))
    laid_out = lay_out(data, 6)
    assert laid_out.X.flags.c_contiguous
    np.testing.assert_array_equal(laid_out.X, data.X)


def test_lay_out_keeps_sparse_rows_sparse():
    X = numbered_rows()
    data = Dataset(csr_array(X), np.zeros(2), None, np.array([4, 0]))
    np.testing.assert_array_equal(lay_out(data, 2).X.toarray(), X[[4, 0]])


def test_selected_rows_share_memory_with_x():
    data = Dataset(numbered_rows(), np.arange(6), np.arange(6.0))
    selected = view_of_rows(data, np.array([4, 1]))
    assert selected.X is data.X
    assert selected.rows.tolist() == [4, 1]
    assert selected.y.tolist() == selected.sample_weight.tolist() == [4, 1]


def test_selection_of_selected_rows_has_row_numbers_of_x():
    data = Dataset(numbered_rows(), np.arange(3), None, np.array([1, 3, 5]))
    assert view_of_rows(data, np.array([2, 0])).rows.tolist() == [5, 1]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("index", [slice(1, 3), np.array([4, 1])], ids=["slice", "numbers"])
def test_a_copy_of_rows_is_in_c_order(index, order):
    X = numbered_rows(order)
    copied = copy_of_rows(Dataset(X, np.arange(6), np.arange(6.0)), index)
    np.testing.assert_array_equal(copied.X, X[index])
    assert copied.X.flags.c_contiguous
    assert (
        copied.y.tolist() == copied.sample_weight.tolist() == np.arange(6)[index].tolist()
    )
    assert copied.rows is None


@pytest.mark.parametrize(
    "order", [None, np.array([5, 0, 3, 1, 4, 2])], ids=["in order", "permuted"]
)
def test_batches_have_every_row_once_in_the_given_order(order):
    data = Dataset(numbered_rows(), np.arange(6))
    found = [batch.y.tolist() for batch in batches(data, order, 4)]
    numbers = (np.arange(6) if order is None else order).tolist()
    assert found == [numbers[:4], numbers[4:]]
