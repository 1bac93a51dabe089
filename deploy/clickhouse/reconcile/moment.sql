-- A moment as people write it, in Unix seconds.
SELECT toUnixTimestamp(parseDateTimeBestEffort({text:String}, 'UTC')) AS moment
