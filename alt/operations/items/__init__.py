"""Operations on items by their keys: one, batches, transactions."""
