"""Certificates of authorities of our own, made by openssl."""
import subprocess


def openssl(directory, *arguments):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


def authority(directory, name):
    """NAME.pem and NAME.key."""
    openssl(directory, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2",
            "-subj", f"/CN={name}")


def certificate(directory, name, signed_by):
    """NAME.pem and NAME.key, for 127.0.0.1."""
    openssl(directory, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
    (directory / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{signed_by}.pem",
            "-CAkey", f"{signed_by}.key", "-CAcreateserial", "-out", f"{name}.pem", "-days", "1",
            "-extfile", "ext")
