"""The HTTP port: probes, metrics, the API, what services report. It alone imports aiohttp's server."""
