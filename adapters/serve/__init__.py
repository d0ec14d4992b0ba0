"""The doors and the work behind them: MLLP and HTTP listeners, lanes (workers), health."""
