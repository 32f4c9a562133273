"""A vendor as a process that the chaos test starts and kills: python vendor_process.py URL SEED JOURNAL STOP.

What the server acknowledged is written to the journal, a line an answer, after the server said it.
"""

import json
import random
import sys
import threading
import time
import uuid
from pathlib import Path

import psycopg2


def call(connection, function, *args):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT vendor.{function}(%s, %s)", args)
        return cursor.fetchone()[0]


def submit(connection, request, rows):
    return call(connection, "submit", request, json.dumps(rows))["rows"]


def submit_twice_at_once(connections, request, rows):
    got = [None, None]

    def work(n):
        got[n] = submit(connections[n], request, rows)

    threads = [threading.Thread(target=work, args=[n]) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got[0] == got[1], "the same submission was answered in two ways"
    return got[0]


def work(connections, rng, journal, stop):
    while not stop.exists():
        request, most = str(uuid.uuid4()), rng.choice([1, 20, 100])
        lease = call(connections[0], "lease", request, most)
        tasks = lease["tasks"]
        if tasks and rng.random() < 0.1:
            assert call(connections[1], "lease", request, most) == lease, "a lease was answered in two ways"
        if not tasks:
            time.sleep(0.05)
            continue
        habit = rng.random()
        if habit < 0.1:
            continue  # never answered
        if habit < 0.2:
            time.sleep(1.3)  # answered when the lease has lapsed
        rows = [
            {"assignment_id": task["assignment_id"], "label": rng.choice(["ham", "spam"])} for task in tasks
        ]
        if rng.random() < 0.2:
            rows += [{"assignment_id": tasks[0]["assignment_id"], "label": "eggs"}, "garbage"]
        request = str(uuid.uuid4())
        twice = rng.random() < 0.3
        told = (
            submit_twice_at_once(connections, request, rows)
            if twice
            else submit(connections[0], request, rows)
        )
        for row, said in zip(rows, told, strict=True):
            if said["result"] != "rejected":
                journal.write(json.dumps([row["assignment_id"], row["label"], said["result"]]) + "\n")
        journal.flush()


def main(url, seed, journal, stop):
    connections = [psycopg2.connect(url), psycopg2.connect(url)]
    for connection in connections:
        connection.autocommit = True
    with Path(journal).open("a", encoding="utf-8") as file:
        work(connections, random.Random(int(seed)), file, Path(stop))


if __name__ == "__main__":
    main(*sys.argv[1:])
