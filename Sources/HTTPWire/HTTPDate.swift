import func Glibc.time

/// The `Date` field's value (RFC 9110 section 5.6.7), made anew when the second changes.
struct HTTPDate {
    private var second = Int.min
    private var text: [UInt8] = []

    /// The present time as `Sun, 06 Nov 1994 08:49:37 GMT`.
    mutating func now() -> [UInt8] {
        let now = time(nil)
        if now != second {
            second = now
            text = Self.format(second: now)
        }
        return text
    }

    /// `second` since 1970 in UTC; the calendar is the proleptic Gregorian one.
    static func format(second: Int) -> [UInt8] {
        let days = (second - floorModulo(second, 86_400)) / 86_400
        let time = floorModulo(second, 86_400)
        let date = civil(days: days)
        // 1970-01-01 was a Thursday.
        let weekday = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][floorModulo(days + 4, 7)]
        let month = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ][date.month - 1]
        var text: [UInt8] = []
        text.reserveCapacity(29)
        text.append(contentsOf: "\(weekday), ".utf8)
        text.appendDecimal(date.day, digits: 2)
        text.append(contentsOf: " \(month) ".utf8)
        text.appendDecimal(date.year, digits: 4)
        text.append(Byte.space)
        text.appendDecimal(time / 3600, digits: 2)
        text.append(Byte.colon)
        text.appendDecimal(time / 60 % 60, digits: 2)
        text.append(Byte.colon)
        text.appendDecimal(time % 60, digits: 2)
        text.append(contentsOf: " GMT".utf8)
        return text
    }

    /// Counts years from March, so that the leap day is a year's last, in eras of 400 years.
    private static func civil(days: Int) -> (year: Int, month: Int, day: Int) {
        // 719,468 days lie between 0000-03-01 and 1970-01-01.
        let shifted = days + 719_468
        let dayOfEra = floorModulo(shifted, 146_097)
        let era = (shifted - dayOfEra) / 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        let year = yearOfEra + era * 400 + (month < 10 ? 0 : 1)
        return (year, month < 10 ? month + 3 : month - 9, day)
    }

    private static func floorModulo(_ value: Int, _ divisor: Int) -> Int {
        let remainder = value % divisor
        return remainder < 0 ? remainder + divisor : remainder
    }
}
