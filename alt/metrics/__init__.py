"""What is counted, and the text that Prometheus reads of it.

`catalogue.py` has every metric's name, `histogram.py` and `requests.py` count, `exposition.py` writes. None of it knows
where the figures are from; alt/http/metrics_page.py gathers them. DESIGN.md has what this costs.
"""
