"""What two texts have in common at their beginnings and at their ends. Pure."""


def common_prefix(a: str, b: str) -> int:
    """The length of the common beginning, by halving: comparing slices is far quicker than comparing characters."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def common_suffix(a: str, b: str) -> int:
    """The length of the common end."""
    return common_prefix(a[::-1], b[::-1])
