select * from read_csv('messages.csv')
