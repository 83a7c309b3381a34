//! Figures as people read them. Knows nothing of what they are of.

/// A whole number with thousands separators.
pub(crate) use report::page::separated as number;

/// `1 round`, `2 rounds`, `3 processes`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let ending = match (count, noun.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{} {noun}{ending}", number(count))
}

/// A latency given in microseconds.
pub(crate) fn latency_us(us: u64) -> String {
    match us {
        0..10_000 => format!("{}.{:02} ms", us / 1000, us % 1000 / 10),
        10_000..10_000_000 => format!("{} ms", number(us.saturating_add(500) / 1000)),
        _ => format!("{}.{} s", number(us / 1_000_000), us % 1_000_000 / 100_000),
    }
}

/// A duration given in milliseconds.
pub(crate) fn duration_ms(ms: u64) -> String {
    if ms < 10_000 {
        format!("{} ms", number(ms))
    } else {
        format!("{}.{} s", number(ms / 1000), ms % 1000 / 100)
    }
}

/// An amount of memory or disk.
pub(crate) fn bytes(of: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    if of >= 1024 * MIB {
        let tenths = of / (1024 * MIB / 10);
        format!("{}.{} GiB", tenths / 10, tenths % 10)
    } else if of >= MIB {
        format!("{} MiB", number(of / MIB))
    } else {
        format!("{} KiB", number(of / 1024))
    }
}

/// Hundredths, as `1.85`.
pub(crate) fn hundredths(of: u64) -> String {
    format!("{}.{:02}", number(of / 100), of % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(counted(1, "round"), "1 round");
        assert_eq!(counted(3, "process"), "3 processes");
        assert_eq!(latency_us(850), "0.85 ms");
        assert_eq!(latency_us(12_400), "12 ms");
        assert_eq!(latency_us(12_400_000), "12.4 s");
        assert_eq!(duration_ms(9_999), "9,999 ms");
        assert_eq!(duration_ms(61_960), "61.9 s");
        assert_eq!(bytes(3 * 1024), "3 KiB");
        assert_eq!(bytes(1536 * 1024 * 1024), "1.5 GiB");
        assert_eq!(hundredths(185), "1.85");
    }
}
