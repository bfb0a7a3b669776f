"""A Ray cluster of two nodes on this machine."""

import os
import warnings

import pytest


@pytest.fixture(scope="module")
def ray_cluster(tmp_path_factory):
    """A head without processors, and two nodes of one each."""
    # It would tell its makers over the network that it was started.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("ray", reason="Ray is not installed: it is the extra `ray`")
        from ray.cluster_utils import Cluster
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def ray_address(ray_cluster):
    return ray_cluster.address
