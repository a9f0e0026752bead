"""A program that publishes: `python -m tests.ledger.writer ADDRESS TOPIC RECORDS ACCOUNT RESEND_UNKNOWN`.

It prints how many records are settled, now and then, and at the end writes what it was told of each.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from tests.gateway.users import MYUSER
from tests.ledger.account import Account, key_of, value_of
from twinpost.client import Publisher, PublisherOptions, Record

_TELLS_EVERY = 2000


def main(address: str, topic: str, records: int, path: Path, *, resend_unknown: bool) -> None:
    """Publish so many records, and write the account to `path`."""
    account = Account(records)
    options = PublisherOptions(resend_unknown=resend_unknown)
    with Publisher(address, user=MYUSER.name, password=MYUSER.password, options=options) as publisher:
        for number in range(records):
            record = Record(topic, value_of(number), key=key_of(number))
            publisher.publish(record).add_done_callback(partial(account.note, number))
            if number % _TELLS_EVERY == 0:
                os.write(1, b"%d\n" % number)
    account.write(path)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]), resend_unknown=sys.argv[5] == "True")
