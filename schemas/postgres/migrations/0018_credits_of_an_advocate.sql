-- What an advocate has earned is read for one advocate, without looking through everybody's.

CREATE INDEX credit_advocate_id_idx ON credit (advocate_id, day);
