//! [`Moment`]: what deadlines of a Lease are measured by. `std::time::Instant` is CLOCK_MONOTONIC on Linux, which stands still
//! while the machine is suspended; a leader that wakes would then take its Lease for its own while somebody else has it.

use std::ops::Add;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The clock that goes on while the machine sleeps: clock_gettime(2). On other systems than Linux the monotonic one does.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

/// A moment since the machine started, its sleep counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// Now.
    pub fn now() -> Moment {
        let time = clock_gettime(CLOCK);
        // Neither is negative: clock_gettime(2).
        Moment(Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0)))
    }

    /// The time since an earlier moment; none since a later one.
    pub fn since(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, time: Duration) -> Moment {
        Moment(self.0.saturating_add(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_follow_each_other() {
        let moment = Moment::now();
        std::thread::sleep(Duration::from_millis(5));
        let later = Moment::now();
        assert!(later.since(moment) >= Duration::from_millis(5));
        assert_eq!(moment.since(later), Duration::ZERO);
        assert!(moment + Duration::from_secs(60) > later);
    }

    /// /proc/uptime counts the time that the machine slept, and in a time namespace it is as far off as this clock is.
    #[cfg(target_os = "linux")]
    #[test]
    fn it_is_the_time_since_the_machine_started() {
        let before = Moment::now();
        let text = std::fs::read_to_string("/proc/uptime").unwrap();
        let seconds = Duration::from_secs_f64(text.split(' ').next().unwrap().parse().unwrap());
        // It is cut to hundredths.
        assert!(
            seconds + Duration::from_millis(10) >= before.0 && seconds <= Moment::now().0,
            "{seconds:?} {before:?}"
        );
    }
}
