TRUNCATE advocate_day, advocate_quarter, link_day
