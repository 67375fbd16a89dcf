"""The ground floor: imported by every capability, importing none of them."""
