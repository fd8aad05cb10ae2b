"""The management routes, `/api/v1/…`: for operators, errors as RFC 9457 has them."""
