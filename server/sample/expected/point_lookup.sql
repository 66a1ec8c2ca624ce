SELECT * FROM planes WHERE tailnum = 'N14228';
