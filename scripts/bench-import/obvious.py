"""What one writes first: which acknowledged values did nobody consume?"""

import json
import sys

acked, consumed = [], []
for name in sys.argv[1:]:
    with open(name) as lines:
        for line in lines:
            event = json.loads(line)
            if event["name"] == "producer_send_success":
                acked.append(event["value"])
            elif event["name"] == "record_data":
                consumed.append(event["value"])
missing = set(acked) - set(consumed)
print(f"{len(acked)} acknowledged, {len(consumed)} consumed, {len(missing)} missing")
sys.exit(1 if missing else 0)
