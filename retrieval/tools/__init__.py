"""The toolset: calculator, translator, web."""
