for number in range(60000):
    print('line', number, 'x' * 60)
    if number % 10 == 0:
        print('{"step": %d}' % number)
    if number % 100 == 0:
        sum(range(20000))
