"""How the gateway asks a slow system that others need too.

    caller ─┐                       ┌─ breaker       is it well?            no → refused at once, with when to come back
    caller ─┼─ flights ─ lanes ─────┼─ concurrency   how many at once?      full → wait together, bounded
    caller ─┘  (one question        ├─ retries       once more?             only what is safe, and few
               per citizen)         └─ exchange      one request, many questions (an adapter)

Policy (`breaker`, `concurrency`, `retries`, `failures`, `patience`) is pure. `lanes` and `flights` wait, and know no
technology: an adapter is one function, an `Exchange`. Every upstream has its own `Upstream`, so that one that is ill
harms no other.
"""
