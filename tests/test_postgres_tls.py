"""TLS, with Debian's PostgreSQL, which has no pgvector: who is spoken to, before any vector is."""

import subprocess
from pathlib import Path

import pytest

from avgzsl.archive.engines import open_engine
from avgzsl.errors import AvgzslError
from tests.postgres_server import cluster, with_tls

NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"


def openssl(folder: Path, words: str) -> None:
    subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True, timeout=60)


def authority(folder: Path, name: str) -> Path:
    """A certificate of an authority of this name."""
    openssl(folder, f"req -x509 {NEW_KEY} -keyout {name}.key -out {name}.crt -subj /CN={name} -days 2")
    return folder / f"{name}.crt"


def certificate(folder: Path, signed_by: str, host: str) -> None:
    """server.key and server.crt of a host."""
    (folder / "host").write_text(f"subjectAltName={host}\n")
    openssl(folder, f"req -new {NEW_KEY} -keyout server.key -out server.request -subj /CN=server")
    given = f"-CA {signed_by}.crt -CAkey {signed_by}.key -CAcreateserial -extfile host -days 2"
    openssl(folder, f"x509 -req -in server.request -out server.crt {given}")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One that takes nobody without TLS."""
    folder = tmp_path_factory.mktemp("certificates")
    own, others = authority(folder, "own"), authority(folder, "others")
    certificate(folder, "own", "IP:127.0.0.1")
    with cluster(with_tls()) as (server,):
        server.make()
        for name in ("server.key", "server.crt"):
            server.write(name, (folder / name).read_text())
        server.write("pg_hba.conf", "hostssl all all 127.0.0.1/32 scram-sha-256\n")
        yield server.start(ssl="on").wait(), own, others


@pytest.fixture
def engine(server, monkeypatch):
    running, own, _ = server
    for name, value in {**running.environment, "PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(own)}.items():
        monkeypatch.setenv(name, value)
    return lambda host="127.0.0.1": open_engine(
        "pgvector", Path("nowhere"), "some", 5, running.url.replace("127.0.0.1", host)
    )


def test_a_server_of_the_own_authority_is_spoken_to_by_tls(engine):
    opened = engine()
    encrypted = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
    assert opened.server.ask(lambda connection: connection.execute(encrypted).fetchone()) == (True,)
    with pytest.raises(AvgzslError, match=r"pgvector >= 0.8 has to be installed there"):
        opened.create()
    opened.close()


def test_of_another_authority_or_another_host_it_is_refused(engine, server, monkeypatch):
    with pytest.raises(AvgzslError, match="certificate is of another host"):
        engine("localhost").count()
    monkeypatch.setenv("PGSSLROOTCERT", str(server[2]))
    with pytest.raises(AvgzslError, match="not signed by the authority in PGSSLROOTCERT"):
        engine().count()
    monkeypatch.setenv("PGSSLROOTCERT", "/nowhere/ca.crt")
    with pytest.raises(AvgzslError, match="PGSSLROOTCERT names no file that can be read"):
        engine().count()


def test_without_tls_it_takes_nobody_and_says_so(engine, monkeypatch):
    monkeypatch.setenv("PGSSLMODE", "disable")
    with pytest.raises(AvgzslError, match="set PGSSLMODE=verify-full and PGSSLROOTCERT"):
        engine().count()


def test_no_password_is_sent_as_plain_text_unless_that_is_allowed(engine, server, monkeypatch):
    running = server[0]
    running.write("pg_hba.conf", "hostssl all all 127.0.0.1/32 password\n")
    running.run("pg_ctl", "reload", "-D", running.data)
    with pytest.raises(AvgzslError, match="asks for the password as plain text"):
        engine().server.ask(lambda connection: connection.execute("select 1"))
    monkeypatch.setenv("PGREQUIREAUTH", "password")
    opened = engine()
    assert opened.server.ask(lambda connection: connection.execute("select 1").fetchone()) == (1,)
    opened.close()
