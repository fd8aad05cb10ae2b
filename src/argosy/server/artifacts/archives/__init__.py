"""Archives, read member by member without ever writing under a name they choose."""
