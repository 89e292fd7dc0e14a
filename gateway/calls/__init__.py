"""The way of a call, one short file per step; `pipeline` is where to begin reading."""
