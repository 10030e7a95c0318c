"""What fuzzing found: files that ended a reading with an error that was not ours."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from format_reading import read_all

from mr.storage.errors import DataError, MalformedRecord


def test_libsvm_line_that_breaks_behind_a_label_of_many_digits(tmp_path):
    path = tmp_path / "a.libsvm"
    path.write_bytes(b"1 1:2\n12345678901234567890123 2:1 nonsense\n")
    with pytest.raises(MalformedRecord, match="'nonsense' is not index:value"):
        read_all(path)


@pytest.mark.parametrize("shape", ["(3, ", "(3, 4)}{", "[" * 30, "(3, 1, 'a' * 9)"])
def test_npy_header_that_is_no_literal(shape, tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.ones((3, 4)))
    body = path.read_bytes()
    padded = body.replace(b"(3, 4)", shape.encode())
    path.write_bytes(padded[: len(body) - 97] + b"\n" + body[-96:])
    with pytest.raises(DataError, match="cannot be read as npy"):
        read_all(path)


def test_parquet_column_whose_name_is_not_utf8(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"height": [1.0]}), path)
    path.write_bytes(path.read_bytes().replace(b"height", b"heig\xf4t"))
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_all(path)
