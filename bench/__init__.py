"""Side-by-side measurements. ``python -m bench`` runs them; docs/performance.md tells the method and the figures."""
