"""DynamoDB's attribute values, kept in wire form: `{"S": "x"}`, `{"N": "1.5"}`, `{"L": [...]}`.

- `types`: the names of the shapes
- `numbers`: number text, its canonical form, exact arithmetic, order and size
- `attribute`: every rule a value from a request must keep; makes it canonical
- `sizes`: bytes of canonical values and items
- `comparison`: equality and order of two canonical values
- `keys`: key values as SQLite columns that sort as DynamoDB sorts
"""
