"""Certificates for the tests, made by the openssl command."""

import subprocess

CURVE = "ec_paramgen_curve:prime256v1"


def run(*words, folder):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def authority(folder, name="ca"):
    """Makes a CA: `name`.pem and `name`.key."""
    run(
        *(
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            CURVE,
            "-nodes",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.pem",
        ),
        *("-days", "2", "-subj", f"/CN={name}"),
        folder=folder,
    )
    return folder / f"{name}.pem"


def certificate(folder, name, *, ca="ca", expired=False):
    """Makes a certificate for localhost that a CA of the folder signed: `name`.pem and `name`.key."""
    run(
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        CURVE,
        "-nodes",
        "-keyout",
        f"{name}.key",
        "-out",
        f"{name}.csr",
        "-subj",
        "/CN=localhost",
        folder=folder,
    )
    (folder / "names.cnf").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    run(
        *("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial"),
        *("-out", f"{name}.pem", "-days", "-1" if expired else "2", "-extfile", "names.cnf"),
        folder=folder,
    )
    return folder / f"{name}.pem", folder / f"{name}.key"
