"""Where labelrounds runs: settings, storage, database, tracking, the embedded stack."""
