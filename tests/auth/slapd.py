"""A real directory for tests: slapd on free ports of this machine, with a database and a test CA of its own.

    with Slapd(folder) as directory:
        Settings(basic_directory="ldap", ldap_url=directory.url, ldap_ca_file=directory.ca, ...)

``anna`` has the password ``päss:wörd`` and ``(*)\\`` is a user name too; ``ou=elsewhere`` is a referral to ``trap``, a
listening socket that nobody may connect to.
"""

from __future__ import annotations

import datetime
import ipaddress
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PROGRAM = shutil.which("slapd") or shutil.which("slapd", path="/usr/sbin:/usr/local/libexec")
SCHEMAS = next((path for path in (Path("/etc/ldap/schema"), Path("/etc/openldap/schema")) if path.is_dir()), None)
MODULES = Path("/usr/lib/ldap")
BASE = "dc=example,dc=org"
PEOPLE = f"ou=people,{BASE}"
SERVICE = f"cn=service,{BASE}"
SERVICE_PASSWORD = "service-secret"
PATIENCE_SECONDS = 20.0

CONFIGURATION = """
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/inetorgperson.schema
{modules}
pidfile {folder}/slapd.pid
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
database mdb
suffix {base}
rootdn {service}
rootpw {password}
directory {folder}/data
"""

ENTRIES = f"""
dn: {BASE}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: {PEOPLE}
objectClass: organizationalUnit
ou: people

dn: uid=anna,{PEOPLE}
objectClass: inetOrgPerson
uid: anna
cn: Anna
sn: Example
userPassword: päss:wörd

dn: uid=(*)\\\\,{PEOPLE}
objectClass: inetOrgPerson
uid: (*)\\
cn: Odd
sn: Example
userPassword: odd

dn: uid=nobody,{PEOPLE}
objectClass: inetOrgPerson
uid: nobody
cn: Without a password
sn: Example

dn: ou=elsewhere,{PEOPLE}
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://127.0.0.1:{{trap}}/ou=elsewhere,dc=example,dc=org
"""


class Slapd:
    """Starts when it is entered, ends when it is left; ``url`` is ldap://, ``secure_url`` ldaps://."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = str(folder / "ca.pem")
        self.trap = socket.create_server(("127.0.0.1", 0))
        self.url = f"ldap://127.0.0.1:{_free_port()}"
        self.secure_url = f"ldaps://127.0.0.1:{_free_port()}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Slapd:
        certificates(self.folder)
        (self.folder / "data").mkdir()
        modules = f"modulepath {MODULES}\nmoduleload back_mdb" if (MODULES / "back_mdb.so").exists() else ""
        values = {"schemas": SCHEMAS, "modules": modules, "folder": self.folder, "base": BASE, "service": SERVICE}
        (self.folder / "slapd.conf").write_text(CONFIGURATION.format(**values, password=SERVICE_PASSWORD))
        (self.folder / "entries.ldif").write_text(ENTRIES.format(trap=self.trap.getsockname()[1]).lstrip(), "utf-8")
        self._run("-T", "add", "-l", str(self.folder / "entries.ldif"))
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.trap.close()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        listen = [self.url, self.secure_url, misnamed(self.url), misnamed(self.secure_url)]
        command = [*self._command(), "-h", " ".join(listen), "-d", "0"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE_SECONDS
        for url in (self.url, self.secure_url):
            while not _listens(int(url.rpartition(":")[2])):
                assert self._process.poll() is None and time.monotonic() < deadline, "slapd does not start"
                time.sleep(0.02)

    def stop(self) -> None:
        """End it; starting it again is possible."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE_SECONDS)

    def _run(self, *arguments: str) -> None:
        program, *rest = self._command()
        # `-T add` has to be the first argument: slapd is slapadd then
        done = subprocess.run([program, *arguments, *rest], capture_output=True, text=True, timeout=PATIENCE_SECONDS)
        assert done.returncode == 0, done.stderr

    def _command(self) -> list[str]:
        assert PROGRAM is not None
        return [PROGRAM, "-f", str(self.folder / "slapd.conf")]


def misnamed(url: str) -> str:
    """The same server at an address that its certificate does not name."""
    return url.replace("127.0.0.1", "127.0.0.2")


def missing() -> str:
    """Why there can be no directory on this machine; empty if there can."""
    if PROGRAM is None or SCHEMAS is None:
        return "no slapd on this machine: apt-get install slapd"
    return ""


def certificates(folder: Path) -> None:
    """``ca.pem``, ``server.pem`` and ``server.key`` for localhost, and ``other.pem``, a CA that issued nothing."""
    key, ca = _authority("Test CA")
    _, other = _authority("Other CA")
    server = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        _builder("localhost", ca.subject, server)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    for name, content in (("ca.pem", ca), ("other.pem", other), ("server.pem", certificate)):
        (folder / name).write_bytes(content.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    (folder / "server.key").write_bytes(
        server.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )


def _authority(name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(name, subject, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return key, builder.sign(key, hashes.SHA256())


def _builder(name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
