"""The vendors' HTTP API: the functions of the schema ``vendor`` behind keys, limits and documents.

Nothing that matters is kept in memory: several gateways side by side are one gateway.
"""
