"""The five specialised registries beside the population: the same people, as five other authorities know them.

    dice, calendar ─┬─ civil_status ─────┐
    provinces       ├─ driving ──────────┤
                    ├─ digital_identity ─┼─ registers ── (server)
                    ├─ enterprises ──┐   │
                    └─ employment ───┴─ social_insurance ── dirt, rows

Each record is a pure function of seed and index over whoever the nation holds now, so that names, families and deaths
agree with the population. Nothing is stored.
"""
