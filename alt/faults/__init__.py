"""Faults on demand: what DynamoDB does to its clients once in a while, done to them when a test asks for it.

`fault.py` says what a fault is and which requests it concerns, `faults.py` which are set, `injecting.py` what they do to
a request, `replica.py` what a stale read reads. DESIGN.md says why it is so.

A server without a fault runs none of this: operations are wrapped only while one is set.
"""
