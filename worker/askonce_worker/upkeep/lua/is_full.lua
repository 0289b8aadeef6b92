-- Returns 1 while Redis is nearly full, else 0.
--
-- Uses: nearly_full
return nearly_full() and 1 or 0
