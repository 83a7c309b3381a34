"""Writes files as VerifiableProducer and VerifiableConsumer print them: LINES
in all, into DIR. The same arguments give the same bytes. With the word `sick`
twelve records, far from each other, are not as they should be: four were never
read, four were read twice, four were read with the value of another."""

import sys

LINES, DIR = int(sys.argv[1]), sys.argv[2]
SICK = sys.argv[3:] == ["sick"]
PARTITIONS, BATCH, POLL = 6, 400, 500
START_MS = 1_795_446_836_164
PER_MS = 100

half = LINES // 2
# Which record is not as it should be, and how.
wrong = {half * (i + 1) // 13: ("unread", "twice", "other")[i % 3] for i in range(12)} if SICK else {}


def readings(poll, low):
    """The values and offsets of a poll, as they were read."""
    for i, n in enumerate(poll):
        how = wrong.get(n)
        if how == "unread":
            continue
        yield (n + half if how == "other" else n), low + i
        if how == "twice":
            yield n, low + i


ends = [0] * PARTITIONS
# Runs of one partition, as the sticky partitioner makes them.
with open(f"{DIR}/producer-1.jsonl", "w") as out:
    out.write(f'{{"timestamp":{START_MS},"name":"startup_complete"}}\n')
    for first in range(0, half, BATCH):
        p = first // BATCH * 7 % PARTITIONS
        end = ends[p]
        count = min(BATCH, half - first)
        out.writelines(
            f'{{"timestamp":{START_MS + n // PER_MS},"name":"producer_send_success","key":null,'
            f'"value":"{n}","partition":{p},"offset":{end + n - first},"topic":"bench"}}\n'
            for n in range(first, first + count)
        )
        ends[p] = end + count
    at = START_MS + half // PER_MS
    out.write(f'{{"timestamp":{at},"name":"shutdown_complete"}}\n')
    out.write(
        f'{{"timestamp":{at},"name":"tool_data","sent":{half},"acked":{half},'
        f'"target_throughput":-1,"avg_throughput":{PER_MS * 1000.0}}}\n'
    )

# Each member has half of the partitions, and reads polls of one at a time.
value_of = [[] for _ in range(PARTITIONS)]
for first in range(0, half, BATCH):
    value_of[first // BATCH * 7 % PARTITIONS].append((first, min(BATCH, half - first)))
for member in (1, 2):
    mine = range(member - 1, PARTITIONS, 2)
    partitions = ",".join(f'{{"topic":"bench","partition":{p}}}' for p in mine)
    with open(f"{DIR}/consumer-bench-{member}.jsonl", "w") as out:
        out.write(f'{{"timestamp":{START_MS},"name":"startup_complete"}}\n')
        out.write(
            f'{{"timestamp":{START_MS},"name":"partitions_assigned","partitions":[{partitions}]}}\n'
        )
        values = {p: [n for first, c in value_of[p] for n in range(first, first + c)] for p in mine}
        for low in range(0, max(map(len, values.values())), POLL):
            for p in mine:
                poll = values[p][low : low + POLL]
                if not poll:
                    continue
                at = START_MS + poll[-1] // PER_MS + 5
                read = list(readings(poll, low))
                out.writelines(
                    f'{{"timestamp":{at},"name":"record_data","key":null,"value":"{n}",'
                    f'"topic":"bench","partition":{p},"offset":{offset}}}\n'
                    for n, offset in read
                )
                high = low + len(poll)
                out.write(
                    f'{{"timestamp":{at},"name":"records_consumed","count":{len(read)},"partitions":'
                    f'[{{"topic":"bench","partition":{p},"count":{len(read)},'
                    f'"minOffset":{low},"maxOffset":{high - 1}}}]}}\n'
                )
                out.write(
                    f'{{"timestamp":{at},"name":"offsets_committed","offsets":'
                    f'[{{"topic":"bench","partition":{p},"offset":{high}}}],"success":true}}\n'
                )
