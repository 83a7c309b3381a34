//! Numbers as people read them on a terminal. Knows nothing of where they come
//! from.

/// `0.3 s`, `12 s`; milliseconds below a tenth of a second.
pub(crate) fn duration_ms(ms: u64) -> String {
    if ms < 100 {
        return format!("{ms} ms");
    }
    if ms.is_multiple_of(1000) {
        return format!("{} s", ms / 1000);
    }
    let tenths = ms.saturating_add(50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

/// `1 record`, `2 records`.
pub(crate) fn counted(count: u64, one: &str) -> String {
    if count == 1 {
        format!("1 {one}")
    } else {
        format!("{count} {one}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_exact_as_they_are_long() {
        let shown: Vec<String> = [0, 99, 100, 4_249, 4_250, 10_000, 59_960]
            .into_iter()
            .map(duration_ms)
            .collect();
        assert_eq!(
            shown,
            ["0 ms", "99 ms", "0.1 s", "4.2 s", "4.3 s", "10 s", "60.0 s"]
        );
    }
}
