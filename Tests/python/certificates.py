"""Certificates for tests of TLS, made by openssl."""

import functools
import pathlib
import shutil
import ssl
import subprocess
import tempfile

import pytest


def self_signed(folder, name="service"):
    """The files of a new certificate for this host, and of its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = pathlib.Path(folder)
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True)
    return certificate, key


@functools.cache
def _folder():
    return tempfile.TemporaryDirectory(prefix="polyak-certificate-")


@functools.cache
def shared():
    """The files of a certificate and its key that serve a whole run."""
    return self_signed(_folder().name)


def over_tls(connected, certificate, *protocols):
    """A TLS connection over a connected socket; `protocols` are offered by ALPN."""
    context = ssl.create_default_context(cafile=certificate)
    context.set_alpn_protocols(list(protocols))
    wrapped = context.wrap_socket(connected, server_hostname="localhost")
    assert wrapped.selected_alpn_protocol() == protocols[0]
    return wrapped
