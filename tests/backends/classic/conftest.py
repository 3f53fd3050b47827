import numba
import pytest


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Threads that wait for each other in thousands of tiny products take far longer than the work."""
    given = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(given)
