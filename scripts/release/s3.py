"""Results at an address, of a server on this machine that answers like S3 (run by the Python that is the second argument)."""

import os
import socket
import subprocess
import sys
import time

import fsspec

import jaxsim
from jaxsim import GaussianMultilevel, Grid, PooledOLS, Study


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def answers(port):
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    port = free_port()
    server = subprocess.Popen(
        [sys.argv[2], "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    try:
        deadline = time.monotonic() + 60
        while not answers(port):
            assert time.monotonic() < deadline, "no server"
            time.sleep(0.1)
        os.environ |= {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "secret"}
        fsspec.config.conf["s3"] = {"endpoint_url": f"http://127.0.0.1:{port}"}
        fsspec.filesystem("s3").mkdir("studies")
        study = Study(GaussianMultilevel(n_groups=5, n_obs=4), Grid(), (PooledOLS(),), 6)
        study.run("s3://studies/mine", progress=False)
        assert jaxsim.load("s3://studies/mine").progress == (6, 6)
    finally:
        server.terminate()
