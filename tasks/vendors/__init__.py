"""Those who label: connectors, and a simulated vendor for demos and tests."""
