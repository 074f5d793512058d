"""What went wrong at PostgreSQL, in words of this package, and what to do.

Nothing is told of what a server wrote: it may repeat what it was sent. Its code of five characters says enough
(postgresql.org/docs/current/errcodes-appendix.html); where there was no connection, libpq's own text is looked through
for what it is about.
"""

from avgzsl.errors import AvgzslError, DataError
from avgzsl.support.confidential import Address

_NO_SUCH_VECTORS = ("42P01", "42703", "42704", "42804", "22000")  # table, column, type, other type, other dimension
_LOST = ("08", "57P", "25006")  # connection, shutdown, and a server that has become a standby
_CODES = {
    "42501": "the user may not do that; grant it, as in GRANT CREATE ON SCHEMA public TO …",
    "57014": "it takes longer than statement_timeout; give it more, as in PGOPTIONS='-c statement_timeout=10min'",
    "53100": "its disk is full; nothing is lost: free some space there and run the same again",
    "53300": "it has too many connections; raise max_connections there, or let fewer users search at a time",
    "0A000": "it cannot do that; pgvector >= 0.8 has to be installed there, as by Debian's postgresql-NN-pgvector",
    "54000": "that is more than pgvector holds",
}
_WORDS = {
    "certificate verify failed": "its certificate is not signed by the authority in PGSSLROOTCERT; see that it is "
    "the right server and the right file",
    "does not match host name": "its certificate is of another host than the address; see that it is the right server",
    "root certificate file": "PGSSLROOTCERT names no file that can be read; say where the authority's certificate is",
    "does not support SSL": "PGSSLMODE asks for TLS and it offers none; switch `ssl` on there",
    "no encryption": "it takes nobody without TLS; set PGSSLMODE=verify-full and PGSSLROOTCERT",
    "SSL error": "TLS failed; see PGSSLMODE, PGSSLROOTCERT, PGSSLCERT and PGSSLKEY",
    "password authentication failed": "it refuses the user or the password; set PGUSER and PGPASSWORD, or PGPASSFILE",
    "no password supplied": "it asks for a password; set PGUSER and PGPASSWORD, or PGPASSFILE",
    "authentication method requirement": "it asks for the password as plain text; have it ask for scram-sha-256, or "
    "allow it with PGREQUIREAUTH, if the connection has TLS",
    "no pg_hba.conf entry": "it lets nobody in from here; add a line for user and host to pg_hba.conf",
    "session is read-only": "it takes no writes, as a standby does; give the address of the primary, or of all hosts",
    "Connection refused": "Connection refused; see that it runs there, then run the same again",
    "timeout expired": "no answer in time; see that it runs there and that a firewall lets it through",
    "resolve host": "there is no such host; see that its name is right",
    "translate host name": "there is no such host; see that its name is right",
    "starting up": "it is starting; run the same again",
    "does not exist": "it has no such database or user; make it there with createdb or createuser",
    "closed the connection": "it has closed the connection, or did not answer in time; run the same again",
}


def is_lost(problem: Exception) -> bool:
    """Whether the connection is, so that another one may do."""
    code = getattr(problem, "sqlstate", None)
    return code is None or code.startswith(_LOST)


def told(url: Address, problem: Exception) -> AvgzslError:
    """The error to raise for one of psycopg."""
    code = getattr(problem, "sqlstate", None)
    if code in _NO_SUCH_VECTORS:
        return DataError(
            f"{url}: has no such vectors ({type(problem).__name__}); is it the right server and database? `avgzsl "
            "index-rebuild` makes them anew"
        )
    kind = type(problem).__name__ if code is None else f"{type(problem).__name__}, {code}"
    text = "" if code else str(problem)
    known = _CODES.get(code or "") or next((said for words, said in _WORDS.items() if words in text), None)
    advice = known or "see that it runs there, then run the same again"
    return AvgzslError(f"{url}: PostgreSQL does not answer as expected ({kind}): {advice}")
