"""Who calls, and what they may do: signatures, access keys, roles. Nothing here reads or writes anything."""
